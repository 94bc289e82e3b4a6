# The types with which carried.py is compiled; not read when it runs interpreted.

cdef class Carried:
    cdef bint _asks_locks
    cdef bint _asks_warnings
    cdef object _call
    cdef object _errors_counted
    cdef object _first
    cdef object _foretold
    cdef object _lost
    cdef object _reset_names
    cdef object _stand_in
    cdef object _warnings_counted
    cdef int _warnings_of_asking
    cdef public object apart
    cdef public object failure
    cdef public object found_rows
    cdef public object insert_id
    cdef public bint is_mysql
    cdef public object missing
    cdef public dict pins
    cdef public object row_count
    cdef public object state
    cdef public object warnings
    cdef public object warnings_names
