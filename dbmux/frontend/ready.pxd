# The types with which ready.py is compiled; not read when it runs interpreted.
from dbmux.backend.connection cimport Connection
from dbmux.frontend.tenant cimport Tenant

cdef class ReadyTenant(Tenant):
    pass
