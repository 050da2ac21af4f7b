// A client of ours for tasks on /ws/claude: it sends one when it is greeted, and logs what it hears.

function startTask(address) {
  const socket = new WebSocket(`ws://${address}/ws/claude`);
  socket.addEventListener("message", event => {
    const message = JSON.parse(event.data);
    if (message.info) {
      socket.send(JSON.stringify({prompt: "Hello Claude", meta: "TASK-123"}));
    } else if (message.error) {
      console.error("error:", message.error);
    } else {
      console.log(message.type);
    }
  });
}
