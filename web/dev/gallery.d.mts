import type { StructuredInputItem } from '@parlor/client';

export declare const GALLERY: Record<string, object>;
export declare const QUESTIONS: readonly [StructuredInputItem, StructuredInputItem];
