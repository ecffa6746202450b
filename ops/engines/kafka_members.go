package engines

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// members lets dead members of consumer groups leave. kfake does so by itself, but for one that dies just when its
// place in the group is answered: there it starts no timer, and the member's partitions would be read by nobody until
// somebody else joins or leaves.
type members struct {
	mu   sync.Mutex
	last map[member]lastHeard
}

type member struct{ group, id string }

type lastHeard struct {
	at time.Time
	// How long it may be silent now, and while it only has to send heartbeats.
	patience, session time.Duration
}

// watch takes note of what members send. It answers nothing: kfake does.
func (m *members) watch(cluster *kfake.Cluster) {
	note := func(of func(kmsg.Request)) func(kmsg.Request) (kmsg.Response, error, bool) {
		return func(request kmsg.Request) (kmsg.Response, error, bool) {
			m.mu.Lock()
			defer m.mu.Unlock()
			of(request)
			return nil, nil, false
		}
	}
	cluster.ControlKey(int16(kmsg.JoinGroup), note(func(request kmsg.Request) {
		join := request.(*kmsg.JoinGroupRequest)
		if join.MemberID == "" {
			return // it is given a name, and comes again
		}
		session := time.Duration(join.SessionTimeoutMillis) * time.Millisecond
		// The answers to this and to its next request come when all others have joined, too.
		patience := session + time.Duration(join.RebalanceTimeoutMillis)*time.Millisecond
		m.last[member{join.Group, join.MemberID}] = lastHeard{time.Now(), patience, session}
	}))
	cluster.ControlKey(int16(kmsg.Heartbeat), note(func(request kmsg.Request) {
		beat := request.(*kmsg.HeartbeatRequest)
		who := member{beat.Group, beat.MemberID}
		if last, known := m.last[who]; known {
			m.last[who] = lastHeard{time.Now(), last.session, last.session}
		}
	}))
	cluster.ControlKey(int16(kmsg.LeaveGroup), note(func(request kmsg.Request) {
		leave := request.(*kmsg.LeaveGroupRequest)
		delete(m.last, member{leave.Group, leave.MemberID})
		for _, of := range leave.Members {
			delete(m.last, member{leave.Group, of.MemberID})
		}
	}))
}

// silent are those that were not heard of for too long; they are forgotten.
func (m *members) silent(now time.Time) (who []member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for of, last := range m.last {
		if now.Sub(last.at) > last.patience {
			who = append(who, of)
			delete(m.last, of)
		}
	}
	return who
}

// leave lets a member leave its group; one that has gone already is no error.
func (m *members) leave(ctx context.Context, client *kgo.Client, who member) error {
	request, of := kmsg.NewPtrLeaveGroupRequest(), kmsg.NewLeaveGroupRequestMember()
	of.MemberID = who.id
	request.Group, request.Members = who.group, append(request.Members, of)
	if _, err := request.RequestWith(ctx, client); err != nil {
		return fmt.Errorf("let a silent member of %s leave: %w", who.group, err)
	}
	return nil
}
