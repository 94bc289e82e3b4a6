-- A statement for which the server takes two milliseconds, and little of a processor.
function thread_init()
   connection = sysbench.sql.driver():connect()
end

function thread_done()
   connection:disconnect()
end

function event()
   connection:query("SELECT SLEEP(0.002)")
end
