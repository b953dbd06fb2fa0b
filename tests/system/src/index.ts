export { type Mesh, startMesh } from "./mesh.ts";
