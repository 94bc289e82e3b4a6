# The types with which session.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.backend.connection cimport Connection
from dbmux.frontend.carried cimport Carried
from dbmux.frontend.killing cimport KillingTenant
from dbmux.kernel cimport ReplyScanner
from dbmux.lexer cimport Digester

cdef int AN_ID, _NOTABLE
cdef int AUTOCOMMIT, EXECUTE, IDLE, IN_TRANSACTION, METADATA_CHANGED, QUERY, REPLYING, RESULT

@cython.final
cdef class Session(KillingTenant):
    cdef Digester _digester
    cdef public object _held
    cdef public bint _is_advancing
    cdef public bint _is_backend_congested
    cdef public object _retiring
    cdef public object _upload
    cdef public object greeter
    cdef public object listener
    cdef public object origin
    cdef public object peer
    cdef public object place
    cdef public object program
    cdef public object scramble

    @cython.locals(size=Py_ssize_t, is_text=bint)
    cpdef received(self, bytes data)
    @cython.locals(connection=Connection)
    cpdef _run_bare(self, bytes data)
    @cython.locals(connection=Connection, scanner=ReplyScanner, carried=Carried, now=double)
    cpdef reply_ended(self)
