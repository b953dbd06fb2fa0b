export { openKafkaPubSub, type OpenKafkaPubSubOptions } from "./pubsub.ts";
