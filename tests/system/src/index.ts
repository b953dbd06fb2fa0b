export { type Mesh, type ServerUrls, startMesh } from "./mesh.ts";
