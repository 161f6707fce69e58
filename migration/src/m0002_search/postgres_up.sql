-- The text to search: the words of both prompts in lower case, separated by single spaces.
-- A word is a run of Unicode letters and digits, by an explicit collation, regardless of the database's locale.
-- Each word begins with x, which distinguishes it from the separator of the prompts, so that no phrase spans both.
-- Each prompt is truncated, because a tsvector is limited to 1 MB, and would reject rows of another application.
-- Some letters have two lower-case forms (final sigma, long s): both become one, as in SQLite's FTS5.
-- In plpgsql, whose plans are cached per session: a function in SQL is planned again for each written row.
CREATE OR REPLACE FUNCTION image_gallery_search_text(original_prompt text, refined_prompt text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $function$
DECLARE
    words text :=
        'x' || lower(regexp_replace(left(coalesce(original_prompt, ''), 100000), '[^[:alnum:]]+' COLLATE "und-x-icu", ' x', 'g') COLLATE "und-x-icu")
        || ' between@the.prompts x'
        || lower(regexp_replace(left(coalesce(refined_prompt, ''), 100000), '[^[:alnum:]]+' COLLATE "und-x-icu", ' x', 'g') COLLATE "und-x-icu");
BEGIN
    -- ASCII text has none of these letters, and replacing them takes a third of the time.
    IF octet_length(words) = length(words) THEN
        RETURN words;
    END IF;
    RETURN translate(
        words,
        U&'\00B5\017F\03C2\03D0\03D1\03D5\03D6\03F0\03F1\03F5\1E9B\1FBE\0307',
        U&'\03BC\0073\03C3\03B2\03B8\03C6\03C0\03BA\03C1\03B5\1E61\03B9'
    );
END
$function$;

-- The words of that text, for the index. Not with to_tsvector, whose parser takes longer than everything else together
-- and knows only the letters of the database's locale. Words that are too long for a tsvector are omitted.
CREATE OR REPLACE FUNCTION image_gallery_search_words(search_text text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $function$
DECLARE
    words text[] := string_to_array(search_text, ' ');
BEGIN
    IF octet_length(search_text) > 2046 THEN
        words := ARRAY(SELECT word FROM unnest(words) AS word WHERE octet_length(word) <= 2046);
    END IF;
    -- Entries of every row: an empty prompt, and the separator of the prompts.
    RETURN ts_delete(array_to_tsvector(words), '{x,between@the.prompts}'::text[]);
END
$function$;

-- All roles that write rows run these for the index, including another application's role where PUBLIC has no default
-- EXECUTE.
GRANT EXECUTE ON FUNCTION image_gallery_search_text(text, text), image_gallery_search_words(text) TO PUBLIC;
