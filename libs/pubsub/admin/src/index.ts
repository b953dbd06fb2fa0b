export { type EventsContext, eventsService } from "./events-service.ts";
