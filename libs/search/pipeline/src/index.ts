export { openPipeline, type Pipeline, type PipelineEngine, type PipelineOptions } from "./pipeline.ts";
