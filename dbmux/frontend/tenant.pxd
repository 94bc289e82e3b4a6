# The types with which tenant.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.backend.connection cimport Connection
from dbmux.backend.pool cimport Shelf
from dbmux.frontend.creditor cimport CreditorSession
from dbmux.frontend.prepared cimport Statement
from dbmux.kernel cimport ReplyScanner

# Those of other modules, and nobody else's.
cdef int IDLE, MAX_PAYLOAD, REPLYING, WAITING

cdef class Tenant(CreditorSession):
    cdef public object _call_reply
    cdef public int _command
    cdef public double _ended
    cdef public object _fill
    cdef public int _flags
    cdef public bint _is_congested
    cdef public bint _is_plain
    cdef public bint _is_retriable
    cdef public object _lens
    cdef public object _orders
    cdef public object _pending
    cdef public dict _plain
    cdef public object _plan
    cdef public object _query
    cdef public object _sent
    cdef public double _sent_at
    cdef public int _shape
    cdef public double _started
    cdef public Statement _statement
    cdef public Py_ssize_t _text_at
    cdef public object _then
    cdef public double _transaction_since
    cdef public Py_ssize_t _transactions
    cdef public object _verdict
    cdef public object backend
    cdef public object backend_name
    cdef public object capabilities
    cdef public object channel
    cdef public Connection connection
    cdef public object course
    cdef public double deadline
    cdef public object group
    cdef public Shelf shelf
    cdef public object surroundings
    cdef public object who

    cpdef _relay_plain(self, object query, object data)
    cpdef Connection _take_for(self, object course, object query)
    @cython.locals(shelf=Shelf, debtor=Connection, connection=Connection)
    cpdef Connection _take(self)
    cpdef _claim(self, Connection connection)
    cpdef granted(self, Connection connection)
    @cython.locals(scanner=ReplyScanner, now=double, started=double)
    cpdef double _finish(self, Connection connection) except? -1
    cpdef _let_go(self, Connection connection, double now)
