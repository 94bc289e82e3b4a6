# The types with which normal.py is compiled; not read when it runs interpreted.
cimport cython

cdef tuple _WORDS
cdef object _READ, _WRITE

cpdef bytes normal(bytes text, object number)
cdef bytes _escaped(bytes text)

@cython.final
cdef class Writer:
    cdef public Py_ssize_t at
    cdef bytes data
    cdef object number
    cdef readonly bytearray written

    @cython.locals(src=cython.p_uchar, at=Py_ssize_t)
    cpdef void space(self) noexcept
    @cython.locals(src=cython.p_uchar, first=cython.uchar)
    cpdef Py_ssize_t value(self, Py_ssize_t depth) except -1
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, begun=Py_ssize_t, is_plain=cython.bint)
    cpdef bytes string(self)
    cdef void _array(self, Py_ssize_t depth) except *
    @cython.locals(src=cython.p_uchar, begun=Py_ssize_t, place=Py_ssize_t, is_sorted=cython.bint, name=bytes, last=bytes,
                   members=dict)
    cdef void _object(self, Py_ssize_t depth) except *
    @cython.locals(names=list, pieces=list)
    cdef void _sort(self, Py_ssize_t begun, dict members) except *
    @cython.locals(src=cython.p_uchar)
    cdef bint _begins(self, unsigned char opening, unsigned char closing) except -1
    @cython.locals(src=cython.p_uchar, mark=cython.uchar)
    cdef bint _ends(self, unsigned char closing) except -1
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, begun=Py_ssize_t, first=Py_ssize_t, digits=Py_ssize_t, end=Py_ssize_t,
                   is_plain=cython.bint, found=bytes)
    cdef bytes _numeral(self)
    @cython.locals(src=cython.p_uchar)
    cdef Py_ssize_t _digits(self, Py_ssize_t at) except -1
    @cython.locals(word=bytes)
    cdef bytes _word(self)
