export {
  type AppContainer,
  asClass,
  asFunction,
  asValue,
  type ServiceResolver,
} from "./app/container.ts";
export { type ContainerKey, containerKey, type ScopingContainer } from "./contract/container.ts";
