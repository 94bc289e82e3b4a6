# The types with which normal.py is compiled; not read when it runs interpreted.
cimport cython

cdef Py_ssize_t _FEW
cdef object _READ, _WRITE

cdef bint _is_shortest(bytes number) except -1
cpdef bytearray normal(bytes text, object number)

@cython.final
cdef class Writer:
    cdef readonly Py_ssize_t at
    cdef readonly Py_ssize_t size
    cdef bytes data
    cdef object number
    cdef readonly bytearray written

    @cython.locals(src=cython.p_uchar, at=Py_ssize_t)
    cdef void space(self) noexcept
    @cython.locals(src=cython.p_uchar, first=cython.uchar)
    cdef void value(self, Py_ssize_t depth) except *
    cdef void _array(self, Py_ssize_t depth) except *
    @cython.locals(src=cython.p_uchar, begun=Py_ssize_t, before=Py_ssize_t, before_ends=Py_ssize_t, name=Py_ssize_t,
                   name_ends=Py_ssize_t, is_sorted=cython.bint, members=list)
    cdef void _object(self, Py_ssize_t depth) except *
    @cython.locals(out=cython.p_uchar)
    cdef Py_ssize_t _order(self, Py_ssize_t one, Py_ssize_t one_ends, Py_ssize_t other, Py_ssize_t other_ends) noexcept
    @cython.locals(out=cython.p_uchar, start=Py_ssize_t, end=Py_ssize_t, pieces=list, ordered=list)
    cdef void _sort(self, Py_ssize_t begun, list members) except *
    @cython.locals(at=Py_ssize_t, order=Py_ssize_t, name=Py_ssize_t, name_ends=Py_ssize_t, before=Py_ssize_t,
                   before_ends=Py_ssize_t, member=tuple, found=list)
    cdef list _ordered(self, list members)
    @cython.locals(out=cython.p_uchar, member=tuple, by_name=dict, names=list)
    cdef list _ordered_many(self, list members)
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
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t)
    cdef void _word(self) except *
