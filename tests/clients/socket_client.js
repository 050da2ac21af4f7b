// A client of ours for commands on /ws/claude: it logs what it hears.

const MODEL = "claude-3-5-sonnet-20241022";

class SocketClient {
  constructor(address) {
    this.socket = new WebSocket(`ws://${address}/ws/claude`);
    this.opened = new Promise(resolve => this.socket.addEventListener("open", resolve));
    this.socket.addEventListener("message", event => this.hear(JSON.parse(event.data)));
  }

  hear(message) {
    if (message.type === "output") {
      console.log("output:", JSON.parse(message.content));
    } else if (message.type === "completion") {
      console.log("completion:", message.status === "success");
    } else if (message.type === "error") {
      console.error("error:", message.message);
    }
  }

  async command(type, folder, prompt) {
    await this.opened;
    const command = {command_type: type, project_path: folder, prompt, model: MODEL};
    this.socket.send(JSON.stringify(command));
  }

  execute(folder, prompt) {
    return this.command("execute", folder, prompt);
  }

  continue(folder, prompt) {
    return this.command("continue", folder, prompt);
  }
}
