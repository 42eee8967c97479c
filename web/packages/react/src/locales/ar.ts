import type { Labels } from '../labels.js';

const arabic: Labels = {
  title: 'الدردشة',
  open: 'فتح الدردشة',
  close: 'إغلاق الدردشة',
  loading: 'جارٍ تحميل الدردشة',
  failed: 'تعذّر تحميل الدردشة.',
  failedHint: 'تحقّق من اتصالك أو من أداة حظر البرامج النصية.',
  retry: 'إعادة المحاولة',
  offline: 'أنت غير متصل. يمكن إرسال الرسائل عند عودة الاتصال.',
  ask: 'اسأل',
  askLong: 'اسأل عن النص المحدد',
  question: 'هل يمكنك شرح هذا المقطع من «{title}»؟',
  questionUntitled: 'هل يمكنك شرح هذا المقطع؟',
  signInTitle: 'سجّل الدخول للدردشة',
  signInText: 'تُحفظ محادثاتك مع حسابك.',
  signIn: 'تسجيل الدخول',
  signOut: 'تسجيل الخروج',
  checking: 'جارٍ التحقق من هويتك',
  gateFailed: 'تعذّر التحقق من تسجيل الدخول.',
  settings: 'الإعدادات',
  profile: 'نبذة عنك',
  profileHint: 'يُخبَر المساعد بهذا مع أسئلتك.',
  save: 'حفظ',
  back: 'رجوع',
  resize: 'غيّر حجم الدردشة بمفاتيح الأسهم',
};

export default arabic;
