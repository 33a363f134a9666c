/** The public API. */
import "./engine/disposal.js";

export type { BudgetOptions } from "./chain/budget.js";
export type { FinishReason, Text, TextThoughts, Usage } from "./chain/chain.js";
export type { DenoisingSettings, ImportanceRatio } from "./chain/denoising.js";
export type { Scored } from "./energy/estimate.js";
export { type BundledModel, bundledModels } from "./engine/bundled-models.js";
export type { Prompt, PromptOptions, TokenIds } from "./engine/chat/conversation.js";
export type {
  ChatMessage,
  ContentPart,
  MessageToolCall,
  Tool,
  ToolCall,
} from "./engine/chat/messages.js";
export type { ReasoningEffort, ReasoningOptions } from "./engine/chat/reasoning.js";
export type { ToolChoice } from "./engine/chat/tool-choice.js";
export {
  type CompiledConstraint,
  type Constraint,
  compileConstraint,
} from "./engine/constraint/constraint.js";
export type { DiffusionCache, ParallelRule, Remasking } from "./engine/denoising-request.js";
export type { KeptModel } from "./engine/download/kept-models.js";
export type { ContextMemory, Model } from "./engine/engine.js";
export { type ErrorCode, LlamaEtsError } from "./engine/errors.js";
export type { KvType } from "./engine/kv-types.js";
export { type LoadModelOptions, loadModel } from "./engine/load-model.js";
export type { LoadProgress } from "./engine/load-progress.js";
export type { GpuChoice } from "./engine/local/locate-engine.js";
export type { LoraOptions } from "./engine/local/model-variants.js";
export type { SamplingOptions } from "./engine/sampling.js";
export type { Speed } from "./engine/unloaded-model.js";
export type { CompareOptions } from "./evaluate/compare/compare-runs.js";
export type {
  ComparedItem,
  ComparedMethod,
  ComparedRun,
  ComparedRuns,
  Comparison,
  Pair,
} from "./evaluate/compare/comparison.js";
export type { Curve, CurvePoint, CurveValue } from "./evaluate/compare/curves.js";
export type { DifferentSample, RunDifference } from "./evaluate/compare/diff-runs.js";
export type {
  EvaluatedMethod,
  EvaluatedMethodOptions,
  EvaluatedOptions,
} from "./evaluate/configured-methods.js";
export type { Evaluation } from "./evaluate/evaluate.js";
export type { EvaluateOptions } from "./evaluate/evaluate-options.js";
export { evaluate, runWorker } from "./evaluate/for-programs.js";
export type { EvaluationProgress } from "./evaluate/progress.js";
export type { WorkerOptions } from "./evaluate/queue/worker.js";
export type { Regraded, RegradeOptions } from "./evaluate/regrade.js";
export type { EvaluationRun } from "./evaluate/store/read-run.js";
export type {
  FailedSample,
  GradedSample,
  MethodSummary,
  RunRecord,
  Sample,
  Summary,
} from "./evaluate/store/run-files.js";
export type { BudgetPlan } from "./evaluate/total-budget.js";
export type { AdaptiveOptions } from "./methods/adaptive.js";
export { type AutoChoice, type AutoFacts, auto, chooseMethod } from "./methods/auto.js";
export { type CheckProposalOptions, checkProposal } from "./methods/check-proposal.js";
export {
  type InspectedModel,
  type InspectOptions,
  inspectModel,
  type ListedModel,
  type ListedModels,
  listModels,
  type MemoryFit,
  type SuggestedProposal,
  suggestProposals,
} from "./methods/inspect-models.js";
export type {
  CommonOptions,
  Finish,
  ModelFamily,
  PresetOptions,
  Progress,
} from "./methods/options/common.js";
export type { DiffusionOptions } from "./methods/options/diffusion.js";
export type { PotentialOptions } from "./methods/options/potential.js";
export type { ProposalDiffusionOptions, ProposalOptions } from "./methods/options/proposal.js";
export type { Settings } from "./methods/options/settings.js";
export { plan } from "./methods/plan.js";
export * from "./methods/registry.js";
export type { Result, StopReason } from "./methods/result.js";
export type { BestText, Evidence, Law } from "./methods/run/outcome.js";
export type { TextUpdate } from "./methods/run/text-stream.js";
export type { AnsweredCompletion, Candidate, MethodDiagnostics, Step } from "./methods/step.js";
export type { ContextPlan } from "./planning/context-plan.js";
export type { PairCheck, PairForecast } from "./planning/pair.js";
export type { AutoReason } from "./planning/run-plan.js";
export type { TokenBounds } from "./planning/token-bounds.js";
export {
  compareRuns,
  diffRuns,
  evaluationReport,
  readRun,
  readTrace,
  regrade,
  runReport,
} from "./report/for-programs.js";
export type { Trace } from "./report/trace.js";
export { canonicalAnswer, extractAnswer } from "./rewards/answer.js";
export { type CertaintyOptions, confidence, entropy, selfCertainty } from "./rewards/certainty.js";
export { combine, type WeightedReward } from "./rewards/combine.js";
export {
  type ComparedTexts,
  type JudgedText,
  type JudgeOptions,
  judge,
  type PairwiseJudgeOptions,
  pairwiseJudge,
} from "./rewards/instruct-judge.js";
export { jsonSchemaVerifier } from "./rewards/json-schema.js";
export { type OpenedReward, openReward, type RewardContext } from "./rewards/named.js";
export { oracle } from "./rewards/oracle.js";
export { type PythonTestsOptions, pythonTests } from "./rewards/python-tests.js";
export type {
  AnswerExtractor,
  Completion,
  Reward,
  RewardedText,
  RewardFunction,
  RewardInput,
  RewardItem,
} from "./rewards/reward.js";
export {
  type RewardModelOptions,
  type RewardTemplate,
  rewardModel,
} from "./rewards/reward-model.js";
export { type SelfConsistencyOptions, selfConsistency } from "./rewards/self-consistency.js";
export type { StepOptions } from "./rewards/steps.js";
export { exactMatch, type Predicate, regexVerifier, verifier } from "./rewards/verifier.js";
export { openSandbox } from "./sandbox/open.js";
export type { Sandbox } from "./sandbox/sandbox.js";
export type { SandboxOptions } from "./sandbox/sandbox-options.js";
export type { TestResult, TestRun } from "./sandbox/session.js";
export { aime } from "./tasks/aime.js";
export {
  type CheckedAnswer,
  type CheckedItem,
  type CheckTaskOptions,
  inspectTask,
  type TaskReport,
} from "./tasks/check-task.js";
export { defineTask, type TaskDefinition, type TemplateOptions } from "./tasks/define-task.js";
export { gpqa } from "./tasks/gpqa.js";
export { gradeRows, type RowVerdict } from "./tasks/grade-rows.js";
export { gsm8k } from "./tasks/gsm8k.js";
export { humaneval } from "./tasks/humaneval.js";
export { ifeval } from "./tasks/ifeval.js";
export { findTask } from "./tasks/index.js";
export { math500 } from "./tasks/math500.js";
export { miniGsm } from "./tasks/mini-gsm.js";
export type { Row } from "./tasks/rows.js";
export type {
  Grader,
  GraderOptions,
  GradingMode,
  LoadOptions,
  PromptForm,
  Task,
  TaskItem,
  TaskPrompt,
  Verdict,
} from "./tasks/task.js";
