export { openEmbeddedPubSub, type OpenEmbeddedPubSubOptions } from "./pubsub.ts";
