# Upgrade to the socket with curl, and print what comes in 2 seconds:
# sh upgrade.sh USER:PASSWORD@HOST:PORT
exec curl --silent --include --no-buffer --max-time 2 \
    --header 'Connection: Upgrade' --header 'Upgrade: websocket' \
    --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: b3BhcXVlIG9yY2hhcmQhIQ==' \
    "http://$1/ws/claude"
