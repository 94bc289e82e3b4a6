# The types with which kernel.py is compiled; not read when it runs interpreted.
cimport cython

cdef int AT_END, AT_RESULT, AT_SIMPLE, AT_PREPARED, AT_ROWS, AT_TEXT
cdef int AT_COLUMNS, AT_COLUMNS_EOF
cdef int AT_PARAMETERS, AT_PARAMETERS_EOF, AT_PREPARED_COLUMNS, AT_PREPARED_EOF, AT_FILE
cdef int MORE, DONE, INFILE, REWRITE, BROKEN, TOO_MANY
cdef int MORE_RESULTS, CURSOR_EXISTS, OUT_PARAMETERS, STATE_CHANGED, PREFIX
cdef Py_ssize_t UNCOUNTED
cdef bytes MATCHED
cdef Py_ssize_t DIGITS

cdef class ReplyScanner:
    cdef public int deprecate_eof
    cdef public int rewrite_state
    cdef public int phase
    cdef public int columns
    cdef public int columns_after_parameters
    cdef public Py_ssize_t remaining
    cdef public int continued
    cdef public int sequence
    cdef public int status
    cdef public int before
    cdef public int warnings
    cdef public int error
    cdef public int opens_cursor
    cdef public int marks
    cdef public int more_warnings
    cdef public int width
    cdef public int out_parameters
    cdef public Py_ssize_t rows
    cdef public int has_rows
    cdef public int reads_matched
    cdef public Py_ssize_t matched
    cdef public Py_ssize_t row_limit
    cdef public unsigned long long affected
    cdef public unsigned long long insert_id
    cdef public Py_ssize_t consumed

    cpdef begin(self, int shape, int sequence)
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t, position=Py_ssize_t, length=Py_ssize_t,
                   wanted=Py_ssize_t, first=int, verdict=int)
    cpdef int scan(self, bytes chunk)
    @cython.locals(src=cython.p_uchar, first=int, phase=int, value=int, columns=int, parameters=int)
    cdef int _step(self, bytes chunk, Py_ssize_t position, Py_ssize_t end, Py_ssize_t length)
    cdef int _prepared_columns(self)
    cdef _after_definitions(self)
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, status=int)
    cdef int _end(self, bytes chunk, Py_ssize_t position, Py_ssize_t end, Py_ssize_t length)
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t)
    cdef _read_matched(self, bytes chunk, Py_ssize_t position, Py_ssize_t end)
    @cython.locals(src=cython.p_uchar, first=int)
    cdef Py_ssize_t _after_integer(self, bytes chunk, Py_ssize_t position, Py_ssize_t end)
    @cython.locals(src=cython.p_uchar, first=int, size=int, value=cython.ulonglong)
    cdef unsigned long long _unsigned(self, bytes chunk, Py_ssize_t position)
    @cython.locals(src=cython.p_uchar)
    cdef int _integer(self, bytes chunk, Py_ssize_t position, Py_ssize_t end)
