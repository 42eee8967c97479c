import type { Labels } from '../labels.js';

const spanish: Labels = {
  title: 'Chat',
  open: 'Abrir el chat',
  close: 'Cerrar el chat',
  loading: 'Cargando el chat',
  failed: 'No se pudo cargar el chat.',
  failedHint: 'Comprueba tu conexión o si un bloqueador de scripts lo impide.',
  retry: 'Reintentar',
  offline: 'Estás sin conexión. Los mensajes se podrán enviar cuando vuelva.',
  ask: 'Preguntar',
  askLong: 'Preguntar sobre el texto seleccionado',
  question: '¿Puedes explicar este pasaje de «{title}»?',
  questionUntitled: '¿Puedes explicar este pasaje?',
  signInTitle: 'Inicia sesión para chatear',
  signInText: 'Tus conversaciones se guardan con tu cuenta.',
  signIn: 'Iniciar sesión',
  signOut: 'Cerrar sesión',
  checking: 'Comprobando quién eres',
  gateFailed: 'No se pudo comprobar el inicio de sesión.',
  settings: 'Ajustes',
  profile: 'Sobre ti',
  profileHint: 'El asistente recibe esto con tus preguntas.',
  save: 'Guardar',
  back: 'Atrás',
  resize: 'Cambia el tamaño del chat con las teclas de flecha',
};

export default spanish;
