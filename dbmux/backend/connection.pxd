# The types with which connection.py is compiled; not read when it runs interpreted.
from dbmux.kernel cimport ReplyScanner

cdef class Exchange:
    cdef object _answers
    cdef object _columns
    cdef object _commands
    cdef object _done
    cdef object _failed
    cdef bint _is_optional
    cdef bint _is_text
    cdef object _optional
    cdef object _protocol
    cdef object _raw
    cdef object _rows

cdef class Connection:
    cdef bytes _held
    cdef bytes _owed_schema
    cdef public object bound
    cdef public bint can_be_reset
    cdef public bint can_track
    cdef public object capabilities
    cdef public object channel
    cdef public object client
    cdef public object client_capabilities
    cdef public object creditor
    cdef public int debt
    cdef public bytes error
    cdef public Exchange exchange
    cdef public double first_at
    cdef public object greeting
    cdef public object holder
    cdef public object home
    cdef public double idle_since
    cdef public object insert_id
    cdef public bint is_closed
    cdef public bint is_paused
    cdef public Py_ssize_t kills
    cdef public double opened_at
    cdef public object ration
    cdef public object renewal
    cdef public Py_ssize_t reply_bytes
    cdef public bint reported_change
    cdef public object reported_gtid
    cdef public object reported_schema
    cdef public object reported_state
    cdef public ReplyScanner scanner
    cdef public object state
    cdef public object statements

    cpdef hold(self, object holder, object client_capabilities)
    cpdef serve(self, object creditor)
