-- The table was left in place by `migrate down`.
ALTER TABLE image_gallery ADD COLUMN original_prompt TEXT;
