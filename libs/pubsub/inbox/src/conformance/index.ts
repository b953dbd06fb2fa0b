export type { ConsumersFixture, TestConsumer } from "./fixture.ts";
export type { ToldEvent } from "./history.ts";
export { consumerLaws, type ConsumerLawsOptions, describeConsumer } from "./laws.ts";
export { Killed, Life, lived } from "./life.ts";
