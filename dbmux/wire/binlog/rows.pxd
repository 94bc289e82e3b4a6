# The types with which rows.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.wire.binlog.readers cimport Cursor, Reader

@cython.final
cdef class Image:
    cdef readonly Py_ssize_t count
    cdef readonly bint is_full
    cdef readonly Py_ssize_t null_bytes
    cdef readonly tuple places
    cdef readonly tuple readers
    cdef readonly list template

    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, place=Py_ssize_t, reader=Reader, values=list)
    cpdef tuple read(self, Cursor cursor)
    cdef tuple _spread(self, list values)

@cython.final
cdef class Changes:
    cdef readonly Cursor cursor
    cdef readonly Image before
    cdef readonly Image after
    cdef readonly bint is_over
