/** Tables of the terminal. */
import Table from "cli-table3";

/** Creates a table with these columns. The first is aligned to the left, the others to the right. */
export function newTable(head: string[]): Table.Table {
  return new Table({
    head,
    colAligns: head.map((_, i) => (i === 0 ? "left" : "right")),
    style: { head: [], border: [], compact: true },
    chars: BORDERS,
  });
}

const BORDERS = {
  top: "─",
  "top-mid": "─",
  "top-left": "",
  "top-right": "",
  bottom: "─",
  "bottom-mid": "─",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ",
};
