# The types with which creditor.py is compiled; not read when it runs interpreted.
from dbmux.backend.connection cimport Connection
from dbmux.frontend.carried cimport Carried

cdef class CreditorSession:
    cdef public Connection _debtor
    cdef public object _debtor_backend
    cdef public object _emit
    cdef public Carried carried
    cdef public object id
    cdef public Connection latest
    cdef public int state
