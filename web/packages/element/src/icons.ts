import { Directive, directive } from 'lit/directive.js';
import {
  ArrowDown,
  ArrowLeft,
  ArrowUp,
  AtSign,
  Atom,
  Award,
  BookMarked,
  BookOpen,
  Book,
  Bot,
  Box,
  Brain,
  Briefcase,
  Bug,
  Calendar,
  ChartColumn,
  ChartLine,
  Check,
  ChevronDown,
  ChevronLeft,
  ChevronRight,
  ChevronsLeft,
  ChevronsRight,
  Circle,
  CircleCheck,
  CircleEllipsis,
  CircleQuestionMark,
  CircleUser,
  Clock,
  Compass,
  Contact,
  Copy,
  Download,
  Ellipsis,
  EllipsisVertical,
  ExternalLink,
  File,
  FileText,
  FlaskConical,
  Globe,
  History,
  House,
  IdCard,
  Image,
  Images,
  Info,
  KeyRound,
  Layers,
  LayoutGrid,
  LifeBuoy,
  Lightbulb,
  Lock,
  Mail,
  Map as MapIcon,
  MapPin,
  Maximize2,
  Menu,
  MessageCircleDashed,
  MessagesSquare,
  Mic,
  Minimize2,
  Monitor,
  Moon,
  Notebook,
  NotebookPen,
  PanelLeft,
  PanelLeftClose,
  PanelLeftOpen,
  PanelRight,
  PanelRightClose,
  PanelRightOpen,
  PartyPopper,
  Paperclip,
  Pencil,
  PenLine,
  Phone,
  Play,
  Plus,
  Quote,
  RefreshCw,
  RotateCw,
  Search,
  Settings,
  Share,
  SlidersHorizontal,
  Smartphone,
  Sparkle,
  Sparkles,
  Square,
  SquareCode,
  SquareMenu,
  SquarePen,
  Star,
  Sun,
  ThumbsDown,
  ThumbsUp,
  Trash2,
  TriangleAlert,
  User,
  WifiOff,
  Wrench,
  X,
  Zap,
  type IconNode,
} from 'lucide';

/** ChatKit's names of icons (for prompts, tools, header buttons, tasks) and the element's own. */
const ICONS: Record<string, IconNode> = {
  agent: Bot,
  analytics: ChartLine,
  atom: Atom,
  batch: Layers,
  bolt: Zap,
  'book-open': BookOpen,
  'book-closed': Book,
  'book-clock': BookMarked,
  bug: Bug,
  calendar: Calendar,
  chart: ChartColumn,
  check: Check,
  'check-circle': CircleCheck,
  'check-circle-filled': CircleCheck,
  'chevron-left': ChevronLeft,
  'chevron-right': ChevronRight,
  'circle-question': CircleQuestionMark,
  clock: Clock,
  compass: Compass,
  confetti: PartyPopper,
  cube: Box,
  desktop: Monitor,
  document: FileText,
  dot: Circle,
  'dots-horizontal': Ellipsis,
  'dots-vertical': EllipsisVertical,
  'empty-circle': Circle,
  'external-link': ExternalLink,
  globe: Globe,
  keys: KeyRound,
  lab: FlaskConical,
  images: Images,
  info: Info,
  lifesaver: LifeBuoy,
  lightbulb: Lightbulb,
  mail: Mail,
  'map-pin': MapPin,
  maps: MapIcon,
  mobile: Smartphone,
  name: IdCard,
  notebook: Notebook,
  'notebook-pencil': NotebookPen,
  'page-blank': File,
  phone: Phone,
  play: Play,
  plus: Plus,
  profile: CircleUser,
  'profile-card': Contact,
  reload: RotateCw,
  star: Star,
  'star-filled': Star,
  search: Search,
  sparkle: Sparkle,
  'sparkle-double': Sparkles,
  'square-code': SquareCode,
  'square-image': Image,
  'square-text': SquareMenu,
  suitcase: Briefcase,
  'settings-slider': SlidersHorizontal,
  user: User,
  wreath: Award,
  write: Pencil,
  'write-alt': PenLine,
  'write-alt2': SquarePen,

  'sidebar-left': PanelLeft,
  'sidebar-right': PanelRight,
  'sidebar-open-left': PanelLeftOpen,
  'sidebar-open-right': PanelRightOpen,
  'sidebar-open-left-alt': PanelLeftOpen,
  'sidebar-open-right-alt': PanelRightOpen,
  'sidebar-floating-left': PanelLeft,
  'sidebar-floating-right': PanelRight,
  'sidebar-floating-open-left': PanelLeftOpen,
  'sidebar-floating-open-right': PanelRightOpen,
  'sidebar-collapse-left': PanelLeftClose,
  'sidebar-collapse-right': PanelRightClose,
  'collapse-left': PanelLeftClose,
  'collapse-right': PanelRightClose,
  'open-left': PanelLeftOpen,
  'open-right': PanelRightOpen,
  'double-chevron-left': ChevronsLeft,
  'double-chevron-right': ChevronsRight,
  home: House,
  'home-alt': House,
  'back-small': ChevronLeft,
  'back-large': ArrowLeft,
  'expand-large': Maximize2,
  'collapse-large': Minimize2,
  'expand-small': Maximize2,
  'collapse-small': Minimize2,
  'chat-temporary': MessageCircleDashed,
  'settings-cog': Settings,
  grid: LayoutGrid,
  'dots-horizontal-circle': CircleEllipsis,
  'dots-vertical-circle': CircleEllipsis,
  menu: Menu,
  'menu-inverted': Menu,
  hamburger: Menu,
  history: History,
  compose: SquarePen,
  share: Share,
  'light-mode': Sun,
  'dark-mode': Moon,
  close: X,

  'arrow-down': ArrowDown,
  'arrow-up': ArrowUp,
  at: AtSign,
  brain: Brain,
  'chevron-down': ChevronDown,
  copy: Copy,
  download: Download,
  lock: Lock,
  mic: Mic,
  conversations: MessagesSquare,
  paperclip: Paperclip,
  quote: Quote,
  retry: RefreshCw,
  stop: Square,
  'thumbs-down': ThumbsDown,
  'thumbs-up': ThumbsUp,
  trash: Trash2,
  warning: TriangleAlert,
  'wifi-off': WifiOff,
  wrench: Wrench,
};

/** Names whose shape is drawn filled. */
const FILLED = new Set(['check-circle-filled', 'star-filled', 'stop']);

const SVG = 'http://www.w3.org/2000/svg';
const drawn = new Map<string, SVGElement>();

/** Lucide's own names of the bundled icons (`book-open`), for `lucide:…`. */
const LUCIDE_ALIASES: Record<string, string> = {
  bot: 'agent',
  zap: 'bolt',
  box: 'cube',
  monitor: 'desktop',
  'file-text': 'document',
  file: 'page-blank',
  sparkles: 'sparkle-double',
  image: 'square-image',
  briefcase: 'suitcase',
  pencil: 'write',
  'square-pen': 'write-alt2',
  house: 'home',
  settings: 'settings-cog',
  'rotate-cw': 'reload',
  'life-buoy': 'lifesaver',
  'circle-help': 'circle-question',
  'circle-question-mark': 'circle-question',
  'flask-conical': 'lab',
  'key-round': 'keys',
  smartphone: 'mobile',
  rocket: 'bolt',
};

/** Whether the element can draw an icon of this name. */
export function hasIcon(name: string | null | undefined): boolean {
  return name !== null && name !== undefined && Object.hasOwn(ICONS, resolve(name));
}

function resolve(name: string): string {
  const bare = name.startsWith('lucide:') ? name.slice('lucide:'.length) : name;
  if (Object.hasOwn(ICONS, bare)) return bare;
  return Object.hasOwn(LUCIDE_ALIASES, bare) ? (LUCIDE_ALIASES[bare] as string) : bare;
}

function draw(name: string): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [attribute, value] of Object.entries({
    viewBox: '0 0 24 24',
    fill: FILLED.has(name) ? 'currentColor' : 'none',
    stroke: 'currentColor',
    'stroke-width': '1.75',
    'stroke-linecap': 'round',
    'stroke-linejoin': 'round',
    'aria-hidden': 'true',
    focusable: 'false',
    class: `icon icon-${name}`,
  })) {
    svg.setAttribute(attribute, value);
  }
  for (const [tag, attributes] of (Object.hasOwn(ICONS, name) ? ICONS[name] : ICONS.sparkle) ?? []) {
    const shape = document.createElementNS(SVG, tag);
    for (const [attribute, value] of Object.entries(attributes)) {
      if (value !== undefined) shape.setAttribute(attribute, String(value));
    }
    svg.append(shape);
  }
  return svg;
}

/** An icon as an element of its own, for code that builds DOM by hand. */
export function createIcon(name: string): SVGElement {
  const key = resolve(name);
  let svg = drawn.get(key);
  if (svg === undefined) drawn.set(key, (svg = draw(key)));
  return svg.cloneNode(true) as SVGElement;
}

class IconDirective extends Directive {
  #name: string | null = null;
  #node: SVGElement | null = null;

  override render(name: string): SVGElement | null {
    if (name !== this.#name) {
      this.#name = name;
      this.#node = createIcon(name);
    }
    return this.#node;
  }
}

/** Draws one of ChatKit's icons; an unknown name gives a sparkle. */
export const icon = directive(IconDirective);
