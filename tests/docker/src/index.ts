export { type Engine, startEngine, whyNoEngine } from "./engine.ts";
export { makeBase, makeNodeImage, makeServerImages, whyNoImages } from "./images.ts";
