export { cleanEnvironment, type Mesh, type ServerUrls, startMesh } from "./mesh.ts";
export { type Answer, type Problem, rest, type RestOptions } from "./rest.ts";
