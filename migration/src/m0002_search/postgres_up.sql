-- The text that is indexed: the words of both prompts in lower case, one space between two of them.
-- A word is a run of Unicode letters and digits, whatever the database's own locale; the collation says so.
-- Each word begins with an x: the parser of to_tsvector would take 1e5abc apart, as a number and a word.
-- Each prompt is cut first, because to_tsvector refuses more than 1 MB, and with it the row of another application.
-- Some letters have two lower-case forms (the final sigma, the long s ...): one stands for both, as in SQLite's FTS5.
-- Between the prompts stands what is no word, so that no phrase spans them.
CREATE OR REPLACE FUNCTION image_gallery_search_text(original_prompt text, refined_prompt text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $function$
    SELECT translate(
        'x' || lower(regexp_replace(left(coalesce(original_prompt, ''), 100000), '[^[:alnum:]]+' COLLATE "und-x-icu", ' x', 'g') COLLATE "und-x-icu")
        || ' between@the.prompts x'
        || lower(regexp_replace(left(coalesce(refined_prompt, ''), 100000), '[^[:alnum:]]+' COLLATE "und-x-icu", ' x', 'g') COLLATE "und-x-icu"),
        U&'\00B5\017F\03C2\03D0\03D1\03D5\03D6\03F0\03F1\03F5\1E9B\1FBE\0307',
        U&'\03BC\0073\03C3\03B2\03B8\03C6\03C0\03BA\03C1\03B5\1E61\03B9'
    )
$function$;

-- Whoever writes a row runs it for the index: another application's role, too, where new functions are not everybody's.
GRANT EXECUTE ON FUNCTION image_gallery_search_text(text, text) TO PUBLIC;
