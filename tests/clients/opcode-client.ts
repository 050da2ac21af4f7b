// From opcode-web-server-reference.md, “JavaScript/TypeScript WebSocket Client”, as it is printed there.

class OpcodeClient {
  private ws: WebSocket | null = null;
  private listeners: Map<string, Function[]> = new Map();

  connect(url: string = 'ws://localhost:8080/ws/claude') {
    this.ws = new WebSocket(url);

    this.ws.onopen = () => {
      console.log('Connected to Opcode');
    };

    this.ws.onmessage = (event) => {
      const message = JSON.parse(event.data);

      if (message.type === 'output') {
        const claudeMessage = JSON.parse(message.content);
        this.emit('output', claudeMessage);
      } else if (message.type === 'completion') {
        this.emit('complete', message.status === 'success');
      } else if (message.type === 'error') {
        this.emit('error', message.message);
      }
    };

    this.ws.onerror = (error) => {
      this.emit('error', error);
    };

    this.ws.onclose = () => {
      this.emit('close', null);
    };
  }

  execute(projectPath: string, prompt: string, model: string = 'claude-3-5-sonnet-20241022') {
    if (!this.ws) throw new Error('Not connected');

    this.ws.send(JSON.stringify({
      command_type: 'execute',
      project_path: projectPath,
      prompt: prompt,
      model: model,
    }));
  }

  continue(projectPath: string, prompt: string, model: string = 'claude-3-5-sonnet-20241022') {
    if (!this.ws) throw new Error('Not connected');

    this.ws.send(JSON.stringify({
      command_type: 'continue',
      project_path: projectPath,
      prompt: prompt,
      model: model,
    }));
  }

  resume(projectPath: string, sessionId: string, prompt: string, model: string = 'claude-3-5-sonnet-20241022') {
    if (!this.ws) throw new Error('Not connected');

    this.ws.send(JSON.stringify({
      command_type: 'resume',
      project_path: projectPath,
      session_id: sessionId,
      prompt: prompt,
      model: model,
    }));
  }

  on(event: string, callback: Function) {
    if (!this.listeners.has(event)) {
      this.listeners.set(event, []);
    }
    this.listeners.get(event)!.push(callback);
  }

  private emit(event: string, data: any) {
    const callbacks = this.listeners.get(event) || [];
    callbacks.forEach(cb => cb(data));
  }

  disconnect() {
    if (this.ws) {
      this.ws.close();
      this.ws = null;
    }
  }
}

// Usage
const client = new OpcodeClient();
client.connect();

client.on('output', (message) => {
  console.log('Claude says:', message);
});

client.on('complete', (success) => {
  console.log('Session complete:', success);
});

client.on('error', (error) => {
  console.error('Error:', error);
});

client.execute('/path/to/project', 'Add a README file');
