export { ChatKitScript, type ChatKitScriptProps } from './chatkit-script.js';
export { ParlorChat, type ParlorChatProps, type SiteUser } from './parlor-chat.js';
