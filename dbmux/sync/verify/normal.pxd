# The types with which normal.py is compiled; not read when it runs interpreted.
cimport cython

cdef Py_ssize_t _FEW
cdef object _READ, _WRITE

cdef bint _is_shortest(bytes number) except -1

@cython.final
cdef class Writer:
    cdef Py_ssize_t at, size, count
    cdef bytes data
    cdef object number
    cdef bytearray written
    cdef long long[::1] places

    @cython.locals(written=bytearray)
    cpdef bytearray write(self, bytes text)
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t)
    cdef void _space(self) noexcept
    @cython.locals(src=cython.p_uchar, first=cython.uchar)
    cdef void _value(self, Py_ssize_t depth) except *
    cdef void _array(self, Py_ssize_t depth) except *
    @cython.locals(src=cython.p_uchar, begun=Py_ssize_t, before=Py_ssize_t, before_ends=Py_ssize_t, name=Py_ssize_t,
                   name_ends=Py_ssize_t, is_sorted=cython.bint, members=Py_ssize_t)
    cdef void _object(self, Py_ssize_t depth) except *
    @cython.locals(out=cython.p_uchar)
    cdef Py_ssize_t _order(self, Py_ssize_t one, Py_ssize_t one_ends, Py_ssize_t other, Py_ssize_t other_ends) noexcept
    cdef void _remember(self, Py_ssize_t name, Py_ssize_t name_ends) except *
    @cython.locals(places="long long[::1]", out=cython.p_uchar, to=cython.p_uchar, ordered=bytearray, size=Py_ssize_t,
                   place=Py_ssize_t, at=Py_ssize_t)
    cdef void _sort(self, Py_ssize_t begun, Py_ssize_t members) except *
    @cython.locals(places="long long[::1]", end=Py_ssize_t, place=Py_ssize_t, name=Py_ssize_t, name_ends=Py_ssize_t,
                   value_ends=Py_ssize_t, to=Py_ssize_t, order=Py_ssize_t, at=Py_ssize_t)
    cdef void _order_few(self, Py_ssize_t members) noexcept
    cdef void _order_many(self, Py_ssize_t members) except *
    @cython.locals(src=cython.p_uchar, out=cython.p_uchar)
    cdef bint _begins(self, unsigned char opening, unsigned char closing) noexcept
    @cython.locals(src=cython.p_uchar, out=cython.p_uchar, mark=cython.uchar)
    cdef bint _ends(self, unsigned char closing) except -1
    @cython.locals(out=cython.p_uchar)
    cdef void _put(self, unsigned char one, unsigned char other) noexcept
    cdef void _append(self, bytes piece) except *
    @cython.locals(src=cython.p_uchar, out=cython.p_uchar, at=Py_ssize_t, size=Py_ssize_t)
    cdef void _copy(self, Py_ssize_t begun, Py_ssize_t end) noexcept
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, begun=Py_ssize_t, is_plain=cython.bint)
    cdef void _string(self) except *
    @cython.locals(src=cython.p_uchar, out=cython.p_uchar, size=Py_ssize_t, place=Py_ssize_t, code=cython.uint,
                   digit=cython.uint)
    cdef bint _unescape(self, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, begun=Py_ssize_t, first=Py_ssize_t, digits=Py_ssize_t,
                   end=Py_ssize_t, is_plain=cython.bint, piece=bytes)
    cdef void _numeral(self) except *
    @cython.locals(src=cython.p_uchar)
    cdef Py_ssize_t _digits(self, Py_ssize_t at) noexcept
    @cython.locals(at=Py_ssize_t)
    cdef void _word(self) except *
