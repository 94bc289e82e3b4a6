# The types with which readers.py is compiled; not read when it runs interpreted.
cimport cython

@cython.final
cdef class Cursor:
    cdef readonly bytes data
    cdef public Py_ssize_t at
    cdef readonly Py_ssize_t end

    cpdef Py_ssize_t take(self, Py_ssize_t length) except -1
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, place=Py_ssize_t, value=cython.ulonglong)
    cpdef unsigned long long length(self, Py_ssize_t width) except? 0xFFFFFFFFFFFFFFFF
    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, place=Py_ssize_t, value=cython.ulonglong)
    cpdef unsigned long long big(self, Py_ssize_t width) except? 0xFFFFFFFFFFFFFFFF

cdef class Reader:
    cpdef object read(self, Cursor cursor)

cdef long long _DATETIME_ZERO, _TIME_ZERO
cdef tuple _GROUP_BYTES, _LIMITS

cdef class Null(Reader):
    cpdef object read(self, Cursor cursor)

cdef class Signed(Reader):
    cdef readonly Py_ssize_t width

    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, place=Py_ssize_t, value=cython.longlong)
    cpdef object read(self, Cursor cursor)

cdef class Unsigned(Reader):
    cdef readonly Py_ssize_t width

    cpdef object read(self, Cursor cursor)

cdef class Bits(Reader):
    cdef readonly Py_ssize_t width

    cpdef object read(self, Cursor cursor)

cdef class Year(Reader):
    @cython.locals(year=cython.longlong)
    cpdef object read(self, Cursor cursor)

cdef class Float(Reader):
    cpdef object read(self, Cursor cursor)

cdef class Double(Reader):
    cpdef object read(self, Cursor cursor)

cdef class String(Reader):
    cdef readonly Py_ssize_t width

    @cython.locals(length=Py_ssize_t, at=Py_ssize_t)
    cpdef object read(self, Cursor cursor)

cdef class Padded(Reader):
    cdef readonly Py_ssize_t width
    cdef readonly Py_ssize_t size

    @cython.locals(length=Py_ssize_t, at=Py_ssize_t, value=bytes)
    cpdef object read(self, Cursor cursor)

cdef class Compressed(Reader):
    cdef readonly Py_ssize_t width

    @cython.locals(length=Py_ssize_t, at=Py_ssize_t)
    cpdef object read(self, Cursor cursor)

cdef class Choice(Reader):
    cdef readonly Py_ssize_t width
    cdef readonly tuple elements

    @cython.locals(number=Py_ssize_t)
    cpdef object read(self, Cursor cursor)

cdef class Choices(Reader):
    cdef readonly Py_ssize_t width
    cdef readonly tuple elements
    cdef readonly bytes comma

    cpdef object read(self, Cursor cursor)

cdef class Decimal(Reader):
    cdef readonly Py_ssize_t decimals
    cdef readonly Py_ssize_t width
    cdef readonly tuple groups

    @cython.locals(src=cython.p_uchar, at=Py_ssize_t, flip=int, first=int, digits=Py_ssize_t, group=cython.longlong,
                   limit=cython.longlong, text=bytes)
    cpdef object read(self, Cursor cursor)

cdef class Date(Reader):
    @cython.locals(packed=cython.longlong)
    cpdef object read(self, Cursor cursor)

cdef class Fractional(Reader):
    cdef readonly Py_ssize_t decimals
    cdef readonly Py_ssize_t width

    cpdef bytes fraction(self, long long value)

cdef class Datetime(Fractional):
    @cython.locals(packed=cython.longlong, months=cython.longlong)
    cpdef object read(self, Cursor cursor)

cdef class Timestamp(Fractional):
    cpdef object read(self, Cursor cursor)

cdef class Time(Fractional):
    @cython.locals(packed=cython.longlong, seconds=cython.longlong, shift=int)
    cpdef object read(self, Cursor cursor)

cdef class OldDatetime(Reader):
    @cython.locals(number=cython.ulonglong, day=cython.ulonglong, clock=cython.ulonglong, text=bytes)
    cpdef object read(self, Cursor cursor)

cdef class OldTime(Reader):
    @cython.locals(number=cython.longlong)
    cpdef object read(self, Cursor cursor)

cdef class OldTimestamp(Reader):
    cpdef object read(self, Cursor cursor)

@cython.locals(rest=cython.longlong)
cpdef bytes moment(long long seconds)

cdef class Uuid(Reader):
    @cython.locals(length=Py_ssize_t, at=Py_ssize_t)
    cpdef object read(self, Cursor cursor)

cdef class Inet4(Reader):
    @cython.locals(length=Py_ssize_t, at=Py_ssize_t)
    cpdef object read(self, Cursor cursor)

cdef class Inet6(Reader):
    @cython.locals(length=Py_ssize_t, at=Py_ssize_t)
    cpdef object read(self, Cursor cursor)
