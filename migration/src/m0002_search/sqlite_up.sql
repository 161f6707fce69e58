-- The words of both prompts: runs of Unicode letters and digits in lower case, with accents. Only the index is stored,
-- so a row is removed by repeating its text, which every SQLite since 3.9 supports (contentless_delete is of 2023).
CREATE VIRTUAL TABLE image_gallery_search USING fts5 (
    original_prompt,
    refined_prompt,
    content = '',
    tokenize = "unicode61 remove_diacritics 0 categories 'L* Nd' separators '{separators}'"
);

CREATE TRIGGER image_gallery_search_insert AFTER INSERT ON image_gallery
BEGIN
    INSERT INTO image_gallery_search (rowid, original_prompt, refined_prompt)
    VALUES (new.row_key, {words of new.original_prompt}, {words of new.refined_prompt});
END;

CREATE TRIGGER image_gallery_search_update AFTER UPDATE OF original_prompt, refined_prompt ON image_gallery
BEGIN
    INSERT INTO image_gallery_search (image_gallery_search, rowid, original_prompt, refined_prompt)
    VALUES ('delete', old.row_key, {words of old.original_prompt}, {words of old.refined_prompt});
    INSERT INTO image_gallery_search (rowid, original_prompt, refined_prompt)
    VALUES (new.row_key, {words of new.original_prompt}, {words of new.refined_prompt});
END;

CREATE TRIGGER image_gallery_search_delete AFTER DELETE ON image_gallery
BEGIN
    INSERT INTO image_gallery_search (image_gallery_search, rowid, original_prompt, refined_prompt)
    VALUES ('delete', old.row_key, {words of old.original_prompt}, {words of old.refined_prompt});
END;

-- Existing rows.
INSERT INTO image_gallery_search (rowid, original_prompt, refined_prompt)
SELECT row_key, {words of original_prompt}, {words of refined_prompt} FROM image_gallery;
