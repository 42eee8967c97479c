export {
  createChatKitHandler,
  type ChatKitHandler,
  type ChatKitHandlerOptions,
  type ChatKitRoutes,
  type TokenRequest,
} from './handler.js';
