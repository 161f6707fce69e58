ALTER TABLE image_gallery DROP COLUMN original_prompt;
