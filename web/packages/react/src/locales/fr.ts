import type { Labels } from '../labels.js';

const french: Labels = {
  title: 'Discussion',
  open: 'Ouvrir la discussion',
  close: 'Fermer la discussion',
  loading: 'Chargement de la discussion',
  failed: 'La discussion n’a pas pu être chargée.',
  failedHint: 'Vérifiez votre connexion ou un bloqueur de scripts.',
  retry: 'Réessayer',
  offline: 'Vous êtes hors ligne. Les messages pourront être envoyés une fois la connexion rétablie.',
  ask: 'Demander',
  askLong: 'Poser une question sur le texte sélectionné',
  question: 'Peux-tu expliquer ce passage de « {title} » ?',
  questionUntitled: 'Peux-tu expliquer ce passage ?',
  signInTitle: 'Connectez-vous pour discuter',
  signInText: 'Vos discussions sont conservées avec votre compte.',
  signIn: 'Se connecter',
  signOut: 'Se déconnecter',
  checking: 'Vérification de votre identité',
  gateFailed: 'La connexion n’a pas pu être vérifiée.',
  settings: 'Paramètres',
  profile: 'À propos de vous',
  profileHint: 'L’assistant en est informé avec vos questions.',
  save: 'Enregistrer',
  back: 'Retour',
  resize: 'Redimensionner la discussion avec les touches fléchées',
};

export default french;
