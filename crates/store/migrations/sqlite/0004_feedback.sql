-- Judgements in the order they were given, page by page, for the export.

CREATE INDEX feedback_by_time ON feedback (created_at, item_id);
