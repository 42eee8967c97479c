import type { Labels } from '../labels.js';

const japanese: Labels = {
  title: 'チャット',
  open: 'チャットを開く',
  close: 'チャットを閉じる',
  loading: 'チャットを読み込んでいます',
  failed: 'チャットを読み込めませんでした。',
  failedHint: '接続やスクリプトのブロッカーを確認してください。',
  retry: '再試行',
  offline: 'オフラインです。接続が戻るとメッセージを送信できます。',
  ask: '質問する',
  askLong: '選択したテキストについて質問する',
  question: '「{title}」のこの部分を説明してください。',
  questionUntitled: 'この部分を説明してください。',
  signInTitle: 'チャットするにはログインしてください',
  signInText: '会話はアカウントに保存されます。',
  signIn: 'ログイン',
  signOut: 'ログアウト',
  checking: 'ユーザーを確認しています',
  gateFailed: 'ログインを確認できませんでした。',
  settings: '設定',
  profile: 'プロフィール',
  profileHint: '質問と一緒にアシスタントに伝えられます。',
  save: '保存',
  back: '戻る',
  resize: '矢印キーでチャットの大きさを変更',
};

export default japanese;
