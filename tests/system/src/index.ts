export { cleanEnvironment, environmentOf, type Mesh, type ServerUrls, startMesh, urlsOn } from "./mesh.ts";
export { packagesIndex } from "./packages-index.ts";
export { type Answer, data, type Problem, rest, type RestOptions } from "./rest.ts";
