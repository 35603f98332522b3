package main

import (
	"encoding/json"
	"fmt"

	"github.com/kata-go/kata-runtime/shim/stage"
)

// enterStage enters the stage, if there is one, and answers how the agent is
// reached from there.
func (o *options) enterStage() (agent string, err error) {
	if o.stage == "" {
		return o.agent, nil
	}
	var s stage.Stage
	if err := json.Unmarshal([]byte(o.stage), &s); err != nil {
		return "", fmt.Errorf("--stage: %w", err)
	}
	if agent, err = stage.Address(o.agent); err == nil {
		err = s.Enter()
	}
	if err != nil {
		return "", fmt.Errorf("stage: %w", err)
	}
	return agent, nil
}
