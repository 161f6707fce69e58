DROP FUNCTION IF EXISTS image_gallery_search_words(text);
DROP FUNCTION IF EXISTS image_gallery_search_text(text, text);
