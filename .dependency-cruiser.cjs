/**
 * The house's arrows (CONTRIBUTING.md): imports point one way, types included, and there is no circle.
 * Each room may import those below it.
 */
const ROOMS = [
  "engine",
  "planning",
  ["chain", "sandbox"],
  "rewards",
  "energy",
  ["tasks", "methods"],
  "evaluate",
  "report",
  "server",
  "cli",
];

const pathOf = (rooms) => `^src/(${rooms.join("|")})/`;
const flat = ROOMS.map((rooms) => [rooms].flat());

/** No room imports one above it, nor one beside it. */
const upwards = flat.flatMap((rooms, i) =>
  rooms.map((room) => {
    const others = [...rooms.filter((other) => other !== room), ...flat.slice(i + 1).flat()];
    return {
      name: `${room}-imports-no-room-above`,
      severity: "error",
      from: { path: pathOf([room]) },
      to: { path: pathOf(others) },
    };
  }),
);

module.exports = {
  forbidden: [
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    ...upwards.filter(({ to }) => to.path !== pathOf([])),
    {
      name: "only-the-command-line-builds-engines",
      severity: "error",
      from: { path: "^src/(?!cli/|engine-build/)" },
      to: { path: "^src/engine-build/" },
    },
    {
      name: "the-concrete-engine-is-opened-at-the-top",
      comment: "Rooms between know src/engine/engine.ts alone: another engine can take its place.",
      severity: "error",
      from: { path: pathOf(["planning", "chain", "energy", "methods", "tasks", "report"]) },
      to: { path: "^src/engine/(local|isolated|remote)/" },
    },
    {
      name: "nothing-imports-the-public-api",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^src/index.ts$" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "node_modules|^dist/" },
  },
};
