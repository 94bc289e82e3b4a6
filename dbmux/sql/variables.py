"""Which session variables travel with a session from one server connection to another.

Carried are those that `SET name = value` gives the value again, with nothing else changed, and that can be reset; tried
on MariaDB 10.11 and 11.8 and MySQL 9.7. Not carried, so that setting one pins:

- what belongs to one connection or one statement: timestamp, insert_id, rand_seed1, the pseudo variables, gtid_next,
  skip_replication, debug;
- what keeps the texts of statements: profiling, optimizer_trace. Neither a reset nor a change of user clears these, so
  that such a connection is closed in the end and never another session's;
- what changes the server's logs for others if it is ever left behind: sql_log_bin, sql_log_off, binlog_format and its
  like, gtid_domain_id, server_id;
- what changes with another variable, so that the order would matter: max_join_size with sql_big_selects, some of the
  log_slow variables, the character sets of server and database with their collations and with USE;
- what keeps a part of its old value: optimizer_switch.
"""

from __future__ import annotations

_CARRIED = """
analyze_max_length analyze_sample_percentage aria_repair_threads aria_sort_buffer_size aria_stats_method
auto_increment_increment auto_increment_offset autocommit big_tables block_encryption_mode bulk_insert_buffer_size
character_set_client character_set_connection character_set_filesystem character_set_results check_constraint_checks
collation_connection column_compression_threshold column_compression_zlib_level column_compression_zlib_strategy
column_compression_zlib_wrap cte_max_recursion_depth deadlock_search_depth_long deadlock_search_depth_short
deadlock_timeout_long deadlock_timeout_short default_regex_flags default_storage_engine default_table_encryption
default_tmp_storage_engine default_week_format div_precision_increment enable_cascade_triggers end_markers_in_json
enforce_storage_engine eq_range_index_dive_limit expensive_subquery_limit explain_format explain_json_format_version
explicit_defaults_for_timestamp foreign_key_checks group_concat_max_len group_replication_consistency
histogram_generation_max_mem_size histogram_size histogram_type idle_readonly_transaction_timeout
idle_transaction_timeout idle_write_transaction_timeout in_predicate_conversion_threshold
information_schema_stats_expiry innodb_compression_default innodb_ddl_buffer_size innodb_ddl_threads
innodb_default_encryption_key_id innodb_ft_enable_stopword innodb_ft_user_stopword_table innodb_lock_wait_timeout
innodb_parallel_read_threads innodb_snapshot_isolation innodb_strict_mode innodb_table_locks innodb_tmpdir
interactive_timeout internal_tmp_mem_storage_engine join_buffer_size join_buffer_space_limit join_cache_level
keep_files_on_create last_insert_id lc_messages lc_time_names lock_wait_timeout log_disabled_statements
log_slow_always_query_time log_slow_filter log_slow_max_warnings log_slow_rate_limit log_slow_verbosity log_warnings
long_query_time low_priority_updates max_delayed_threads max_error_count max_execution_time max_heap_table_size
max_length_for_sort_data max_points_in_geometry max_recursive_iterations max_rowid_filter_size max_seeks_for_key
max_session_mem_used max_sort_length max_sp_recursion_depth max_statement_time max_tmp_session_space_usage
mhnsw_default_distance mhnsw_default_m mhnsw_ef_search min_examined_row_limit mrr_buffer_size myisam_repair_threads
myisam_sort_buffer_size myisam_stats_method net_read_timeout net_retry_count net_write_timeout new_mode note_verbosity
old_mode old_passwords optimizer_adjust_secondary_key_costs optimizer_extra_pruning_depth
optimizer_join_limit_pref_ratio optimizer_max_sel_arg_weight optimizer_max_sel_args optimizer_max_subgraph_pairs
optimizer_prune_level optimizer_scan_setup_cost optimizer_search_depth optimizer_selectivity_sampling_limit
optimizer_use_condition_selectivity optimizer_where_cost parser_max_mem_size preload_buffer_size
print_identified_with_as_hex query_alloc_block_size query_cache_strip_comments query_cache_type
query_cache_wlock_invalidate query_prealloc_size range_alloc_block_size range_optimizer_max_mem_size read_buffer_size
read_rnd_buffer_size restrict_fk_on_non_standard_key rowid_merge_buff_size select_into_buffer_size
select_into_disk_sync select_into_disk_sync_delay session_track_gtids session_track_schema session_track_state_change
session_track_system_variables session_track_transaction_info set_operations_buffer_size show_create_table_verbosity
show_gipk_in_create_table_and_information_schema slow_query_log sort_buffer_size sql_big_selects sql_buffer_result
sql_generate_invisible_primary_key sql_if_exists sql_mode sql_notes sql_quote_show_create sql_require_primary_key
sql_safe_updates sql_select_limit sql_warnings standard_compliant_cte system_versioning_alter_history
system_versioning_asof system_versioning_insert_history time_zone tmp_disk_table_size tmp_table_size
transaction_alloc_block_size transaction_isolation transaction_prealloc_size transaction_read_only unique_checks
updatable_views_with_limit use_stat_tables wait_timeout windowing_use_high_precision wsrep_dirty_reads
wsrep_osu_method wsrep_retry_autocommit wsrep_sync_wait wsrep_trx_fragment_size wsrep_trx_fragment_unit
xa_detach_on_prepare
"""

CARRIED = frozenset(_CARRIED.split())

# These are carried with these values only: what others bring about is the connection's.
_HARMLESS = {
    "completion_type": frozenset((b"0", b"'NO_CHAIN'")),
    "sql_auto_is_null": frozenset((b"0", b"FALSE", b"'OFF'")),
}

_OTHER_MODES = (b"ORACLE", b"EMPTY_STRING_IS_NULL")

# Values with which a variable that is not carried is as on a new connection. `insert_id` has none: MySQL then gives the
# next row the number 0.
_AT_REST = {
    "gtid_next": frozenset((b"'AUTOMATIC'", None)),
    "sql_log_bin": frozenset((b"1", b"TRUE", b"'ON'")),
    "timestamp": frozenset((b"0", None)),
}

WATCHING = frozenset(("profiling", "optimizer_trace"))

# Old and new names of the same variable. The names of the transaction's are those of MySQL 8 and MariaDB 11.
SYNONYMS = {
    "identity": "last_insert_id",
    "log_slow_min_examined_row_limit": "min_examined_row_limit",
    "log_slow_query": "slow_query_log",
    "log_slow_query_time": "long_query_time",
    "max_insert_delayed_threads": "max_delayed_threads",
    "storage_engine": "default_storage_engine",
    "tmp_memory_table_size": "tmp_table_size",
    "tx_isolation": "transaction_isolation",
    "tx_read_only": "transaction_read_only",
}

# `SET @@name = value` without a scope is for the next transaction only.
NEXT_TRANSACTION = frozenset(("transaction_isolation", "transaction_read_only"))

# On MySQL, `SET foreign_key_checks = DEFAULT` turns the checks off, whatever the server's own setting is.
_WRONG_DEFAULT = frozenset(("foreign_key_checks", "unique_checks"))


# Kept on by DbMux, which learns so that a trigger has set something.
CHANGE_TRACKING = "session_track_state_change"
TRACK_CHANGES = b"SET session_track_state_change=1"


def is_carried(name: str, value: bytes | None) -> bool:
    """Whether this variable, set to this literal (None is DEFAULT), can be set so elsewhere."""
    if name == "sql_mode":
        # Numbers hide their meaning; ORACLE has another grammar, and EMPTY_STRING_IS_NULL other literals.
        return value is None or (value[:1] == b"'" and not any(mode in value.upper() for mode in _OTHER_MODES))
    if name in _HARMLESS:
        return value is not None and value.upper() in _HARMLESS[name]
    return name in CARRIED


def is_at_rest(name: str, value: bytes | None) -> bool:
    """Whether this variable, which is not carried, is with this literal as on a new connection."""
    return (value and value.upper()) in _AT_REST.get(name, ())


def reset(name: str) -> bytes:
    """What a carried variable is set to so that it is as on a new connection, as SQL."""
    if name == CHANGE_TRACKING:
        return b"1"
    return b"@@GLOBAL." + name.encode() if name in _WRONG_DEFAULT else b"DEFAULT"
