# The types with which lexer.py is compiled; not read when it runs interpreted.
cimport cython

cdef int END, WORD, QUOTED, NUMBER, STRING, PLACEHOLDER, USER_VARIABLE, SYSTEM_VARIABLE
cdef int HINT, MAYBE, RUN, RUN_END, BROKEN
cdef int OPEN, CLOSE, COMMA, DOT, SEMICOLON, COMPARE, OPERATOR, BINARY
cdef int LETTER, DIGIT, SPACE, QUOTE, DOUBLE_QUOTE, BACKTICK, AT, POINT, SLASH, DASH, HASH
cdef int QUESTION, STAR, BACKSLASH, COMPARISON, OTHER, CONTROL, SINGLE
cdef int FIRST_DOUBTFUL_VERSION, NO_LIST, IN_LIST, ROWS, BY_LIST
cdef Py_ssize_t KEPT_ROOM
cdef bytes _CLASSES

@cython.final
cdef class Lexer:
    cdef bytes text
    cdef unsigned char* src
    cdef unsigned char* table
    cdef Py_ssize_t size
    cdef int flags
    cdef int kind
    cdef Py_ssize_t start
    cdef Py_ssize_t end
    cdef int gap
    cdef int running
    cdef int name_follows

    cdef void begin(self, bytes text, Py_ssize_t start, int flags) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t, position=Py_ssize_t,
                   gap=int, kind=int, first=int, third=int)
    cdef int advance(self) noexcept
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t, letter=int)
    cdef int _word(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t)
    cdef int _name(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t, at=Py_ssize_t, power=Py_ssize_t,
                   binary=int, byte=int)
    cdef int _number(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t, at=Py_ssize_t)
    cdef int _fraction(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t)
    cdef int _digits(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t, follows=int, is_digit=int)
    cdef int _dot(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t, kind=int, at=Py_ssize_t, first=int)
    cdef int _variable(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t, quote=int, escapes=int, byte=int)
    cdef Py_ssize_t _quoted_end(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t, quote=int)
    cdef Py_ssize_t _name_end(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t)
    cdef Py_ssize_t _line_end(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t)
    cdef Py_ssize_t _comment_end(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t, third=int)
    cdef int _comment_kind(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, table=cython.p_uchar, size=Py_ssize_t, version=int, digits=int)
    cdef int _version(self, Py_ssize_t position) noexcept
    @cython.locals(src=cython.p_uchar, size=Py_ssize_t, at=Py_ssize_t, digits=int)
    cdef void _comment(self, Py_ssize_t position, int kind) noexcept

@cython.final
cdef class Writer:
    cdef Lexer lexer
    cdef bytearray buffer
    cdef unsigned char* out
    cdef Py_ssize_t length
    cdef Py_ssize_t before
    cdef int previous
    cdef Py_ssize_t sign
    cdef Py_ssize_t introducer
    cdef Py_ssize_t null
    cdef int folding
    cdef int opens
    cdef Py_ssize_t depth
    cdef Py_ssize_t base
    cdef Py_ssize_t element
    cdef Py_ssize_t last
    cdef Py_ssize_t last_end
    cdef Py_ssize_t ordinals

    cdef void begin(self, Lexer lexer, bytearray buffer)
    @cython.locals(lexer=Lexer, kind=int, written=bytes)
    cdef bytes write(self)
    @cython.locals(previous=int, spaced=int)
    cdef void _space(self, int kind) noexcept
    @cython.locals(src=cython.p_uchar, start=Py_ssize_t, letters=Py_ssize_t, opens_element=int)
    cdef void _word(self) noexcept
    @cython.locals(previous=int, byte=int)
    cdef int _operator(self) noexcept
    cdef int _is_ordinal(self) noexcept
    cdef void _open(self) noexcept
    cdef void _close(self) noexcept
    cdef void _begin_list(self, int kind) noexcept
    cdef void _begin_element(self, int kind) noexcept
    cdef void _end_element(self, int kind) noexcept
    @cython.locals(length=Py_ssize_t)
    cdef int _is_mark(self) noexcept
    @cython.locals(out=cython.p_uchar, at=Py_ssize_t, end=Py_ssize_t, other=Py_ssize_t, same=int)
    cdef void _fold(self) noexcept
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, wanted=cython.p_uchar, index=Py_ssize_t, end=Py_ssize_t)
    cdef int _is(self, bytes upper) noexcept
    cdef void _put(self, int byte) noexcept
    @cython.locals(out=cython.p_uchar, src=cython.p_uchar, at=Py_ssize_t, end=Py_ssize_t, length=Py_ssize_t)
    cdef void _copy(self) noexcept

@cython.locals(lexer=Lexer, first=Py_ssize_t, first_end=Py_ssize_t, second=Py_ssize_t, last_end=Py_ssize_t)
cpdef bytes uncommented(bytes text, Py_ssize_t start, int flags)

@cython.locals(lexer=Lexer, kind=int)
cpdef list tokens(bytes text, Py_ssize_t start, int flags)

@cython.final
cdef class Digester:
    cdef Lexer _lexer
    cdef Writer _writer
    cdef bytearray _buffer

    @cython.locals(lexer=Lexer, writer=Writer, room=Py_ssize_t, buffer=bytearray, found=bytes)
    cpdef bytes digest(self, bytes text, Py_ssize_t start, int flags)

cpdef bytes digest(bytes text, Py_ssize_t start, int flags)
