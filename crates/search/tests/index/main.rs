//! The index as its users meet it: files in, passages out.
#![expect(clippy::unwrap_used, reason = "tests")]

mod ingesting;
mod meaning;
mod postgres_only;
mod questions;
mod searching;
mod sites;
mod sources;
mod support;

/// Each story on either store.
macro_rules! stories {
    ($($module:ident: $($story:ident),+;)+) => {
        stories!(@on sqlite, Sqlite, $($module: $($story),+;)+);
        stories!(@on postgres, Postgres, $($module: $($story),+;)+);
    };
    (@on $name:ident, $store:ident, $($module:ident: $($story:ident),+;)+) => {
        mod $name {
            $(mod $module {
                $(#[tokio::test]
                async fn $story() {
                    crate::$module::$story(crate::support::Store::$store).await;
                })+
            })+
        }
    };
}

stories! {
    ingesting:
        only_what_changed_is_indexed_again,
        a_new_time_alone_changes_nothing_and_an_old_time_hides_nothing,
        another_base_url_moves_every_document,
        a_run_removes_only_below_its_own_paths,
        a_list_says_which_pages_there_are_and_where,
        what_is_no_list_of_pages_is_said,
        odd_files_are_reported_and_the_rest_is_indexed,
        every_format_gives_passages_with_working_links,
        a_document_of_very_many_passages_is_indexed,
        what_is_no_document_any_more_is_no_longer_found,
        symbolic_links_neither_loop_nor_lead_out,
        missing_paths_are_an_error_unless_others_exist,
        a_file_that_vanishes_during_the_run_is_reported_and_removed,
        two_runs_at_once_agree,
        a_killed_run_leaves_an_index_that_works;
    meaning:
        a_question_finds_what_means_the_same_in_other_words,
        what_both_find_comes_first_and_words_keep_their_say,
        only_what_is_new_is_embedded_and_what_stays_keeps_its_vector,
        an_embedding_that_was_cut_short_is_gone_on_with,
        another_model_or_another_length_embeds_everything_anew,
        a_passage_that_the_model_does_not_take_keeps_no_other_out,
        settings_that_no_passage_fits_are_an_error_and_not_a_long_list,
        a_model_that_fails_or_hangs_leaves_search_by_words,
        more_vectors_than_may_be_in_memory_leave_search_by_words,
        the_readers_page_ranks_higher_by_words_and_by_meaning,
        searches_are_narrowed_by_tag_and_language,
        a_tenants_documents_are_found_by_nobody_else,
        neighbours_of_the_same_section_go_along,
        a_reranker_has_the_last_word_if_it_says_one;
    searching:
        a_question_finds_the_section_that_answers_it,
        words_in_titles_and_headings_count_for_more,
        identifiers_are_found_as_they_are_written,
        scripts_without_spaces_are_found,
        accents_case_and_word_forms_do_not_matter,
        the_beginning_of_a_word_is_tried_when_nothing_else_is_found,
        one_document_does_not_crowd_out_the_others,
        equal_passages_come_in_the_order_of_their_documents,
        very_common_words_still_find_the_best_passages,
        an_empty_index_and_empty_questions_find_nothing;
    sites:
        a_sites_pages_are_kept_with_what_to_ask_their_server;
    sources:
        a_source_is_refreshed_by_one_at_a_time_and_not_again_too_soon,
        of_many_claims_at_once_one_is_granted;
    questions:
        every_answer_exists_and_words_alone_find_most;
}
