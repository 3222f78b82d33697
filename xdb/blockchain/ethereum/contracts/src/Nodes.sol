// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INodes} from "./IRegistry.sol";
import {Store} from "./Store.sol";
import {Texts} from "./Texts.sol";

/// @title Storage nodes, as in `xdb/core/rules/nodes.py`
/// @notice Nobody but a node's own key changes its record.
abstract contract Nodes is Store, INodes {
    function registerNode(
        address signer,
        Endpoint calldata endpoint,
        string calldata operator,
        string calldata zone,
        uint64 capacity
    ) external {
        _checkNumber(capacity, "capacity");
        NodeEntry storage entry = _nodes[msg.sender];
        require(entry.word == 0, NodeExists(msg.sender));
        _checkEndpoint(endpoint.addr);
        _checkText(operator, "operator");
        _checkText(zone, "zone");
        entry.word = _word(signer, _epoch(), ONLINE, 0);
        entry.formerSigner = signer;
        entry.registered = uint40(block.timestamp);
        entry.capacity = capacity;
        entry.endpoint = endpoint;
        entry.operator = operator;
        entry.zone = zone;
        emit NodeRegistered(msg.sender, signer, endpoint, operator, zone, capacity);
    }

    function updateNode(NodeChanges calldata changes) external {
        if (changes.setCapacity) _checkNumber(changes.capacity, "capacity");
        uint256 node = _presentNode(msg.sender);
        bool any = changes.setSigner || changes.setEndpoint || changes.setOperator
            || changes.setZone || changes.setCapacity;
        require(any, Invalid("changes"));
        NodeEntry storage entry = _nodes[msg.sender];
        if (changes.setEndpoint) {
            _checkEndpoint(changes.endpoint.addr);
            entry.endpoint = changes.endpoint;
        }
        if (changes.setOperator) {
            _checkText(changes.operator, "operator");
            entry.operator = changes.operator;
        }
        if (changes.setZone) {
            _checkText(changes.zone, "zone");
            entry.zone = changes.zone;
        }
        if (changes.setCapacity) entry.capacity = changes.capacity;
        if (changes.setSigner) {
            // Who signs now goes on signing until the epoch ends, however often it is replaced.
            entry.formerSigner = _signer(msg.sender, node);
            node = _word(changes.signer, _epoch() + 1, _state(node), _resigned(node));
            entry.word = node;
        }
        _emitUpdated(entry, node);
    }

    function _emitUpdated(NodeEntry storage entry, uint256 node) private {
        emit NodeUpdated(
            msg.sender,
            address(uint160(node)),
            uint40(node >> 160),
            entry.endpoint,
            entry.operator,
            entry.zone,
            entry.capacity
        );
    }

    function setNodeState(uint8 state) external {
        uint256 node = _presentNode(msg.sender);
        require(ONLINE <= state && state <= LEFT, Invalid("state"));
        uint8 present = _state(node);
        require(state != present, NodeState(msg.sender, present));
        if (state == LEFT) {
            _checkLeave(node);
        } else if (state == ONLINE) {
            require(_resigned(node) == 0, NodeState(msg.sender, present));
        }
        _setState(node, state, _resigned(node));
    }

    function _checkLeave(uint256 node) private view {
        uint256 resigned = _resigned(node);
        if (resigned != 0 && block.timestamp >= resigned + NOTICE) return;
        require(_state(node) == DRAINING, NodeState(msg.sender, _state(node)));
        uint256 held = uint32(_heads[msg.sender] >> 200);
        require(held == 0, NodeBusy(msg.sender, held));
    }

    function heartbeat(address id) external {
        uint256 node = _presentNode(id);
        require(msg.sender == _signer(id, node), NotAllowed(msg.sender));
        emit HeartbeatSeen(id);
    }

    function resign() external {
        uint256 node = _presentNode(msg.sender);
        uint8 state = _state(node);
        require(_resigned(node) == 0, NodeState(msg.sender, state));
        emit NodeResigned(msg.sender, uint64(block.timestamp) + NOTICE);
        if (state == ONLINE) {
            _setState(node, DRAINING, block.timestamp);
        } else {
            _nodes[msg.sender].word = node | (block.timestamp << 208);
        }
    }

    function _setState(uint256 node, uint8 state, uint256 resigned) private {
        _nodes[msg.sender].word =
            _word(address(uint160(node)), uint40(node >> 160), state, resigned);
        emit NodeStateSet(msg.sender, state);
    }

    function _word(address signer, uint256 signerEpoch, uint8 state, uint256 resigned)
        private
        pure
        returns (uint256)
    {
        return uint160(signer) | (signerEpoch << 160) | (uint256(state) << 200) | (resigned << 208);
    }

    function _checkEndpoint(string calldata addr) private view {
        _checkText(addr, "address");
        require(Texts.isAddress(bytes(addr)), Invalid("address"));
    }

    function _checkText(string calldata text, bytes32 what) private view {
        require(Texts.isSeen(bytes(text)), Invalid(what));
        uint256 size = bytes(text).length;
        require(size <= MAX_TEXT, TooLarge(size, MAX_TEXT));
    }
}
