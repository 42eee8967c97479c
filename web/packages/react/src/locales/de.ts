import type { Labels } from '../labels.js';

const german: Labels = {
  title: 'Chat',
  open: 'Chat öffnen',
  close: 'Chat schließen',
  loading: 'Der Chat wird geladen',
  failed: 'Der Chat konnte nicht geladen werden.',
  failedHint: 'Prüfe deine Verbindung, oder ob ein Skript-Blocker ihn aufhält.',
  retry: 'Noch einmal versuchen',
  offline: 'Du bist offline. Nachrichten können gesendet werden, sobald die Verbindung wieder da ist.',
  ask: 'Fragen',
  askLong: 'Nach dem markierten Text fragen',
  question: 'Kannst du diese Stelle aus „{title}“ erklären?',
  questionUntitled: 'Kannst du diese Stelle erklären?',
  signInTitle: 'Zum Chatten anmelden',
  signInText: 'Deine Unterhaltungen bleiben bei deinem Konto.',
  signIn: 'Anmelden',
  signOut: 'Abmelden',
  checking: 'Es wird geprüft, wer du bist',
  gateFailed: 'Die Anmeldung konnte nicht geprüft werden.',
  settings: 'Einstellungen',
  profile: 'Über dich',
  profileHint: 'Das wird der KI mit deinen Fragen mitgeteilt.',
  save: 'Speichern',
  back: 'Zurück',
  resize: 'Größe des Chats mit den Pfeiltasten ändern',
};

export default german;
